# rows of tests/jobs/ go here
