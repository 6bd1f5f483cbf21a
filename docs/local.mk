# rows of docs/ go here
