# rows of tests/store/ go here
