"""Making the study's networks for real: from a Keras definition to the .tflite files that boards run.

What needs Keras and TensorFlow is imported only in a process of its own, one for each network
(:mod:`lab.networks.building.worker`); everything else here is NumPy and the standard library.
"""
