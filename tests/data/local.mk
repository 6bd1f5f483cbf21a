# rows of tests/data/ go here
