# rows of daemon/ go here
