"""What goes wrong in the answers."""


def list_empty(server):
    server.projects = lambda pool: []
