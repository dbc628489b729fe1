"""H. O. Lofstad, *A Study of Artificial Neural Networks on 8-bit Microcontrollers*, NTNU 2021: its measurements on the
microcontroller, one module for each experiment."""
