# rows of tests/system/ go here
