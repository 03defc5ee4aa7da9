"""What a browser or a program may ask and be told; reads outputs, sends commands."""
