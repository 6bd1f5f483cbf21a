# rows of tests/nn/ go here
