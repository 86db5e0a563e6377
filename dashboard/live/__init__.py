"""What is new, told the moment it happens: from Kestra and the database to the sockets of this process."""
