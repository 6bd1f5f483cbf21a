# rows of tests/train/ go here
