# rows of tests/api/ go here
