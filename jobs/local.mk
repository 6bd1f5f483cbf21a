# rows of jobs/ go here
