"""Recordings of any power meter, played as if that meter were measuring now."""
