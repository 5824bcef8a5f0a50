"""Runs a command in a network of its own, where a server's Unix socket is reached at an address that is not this
machine's loopback: relay.py SOCKET ADDRESS PORT COMMAND...

Started by `unshare -n`. Ends with the command's exit code.
"""

import socket
import subprocess
import sys
import threading


def pump(source, target):
    while data := source.recv(1 << 16):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def serve(listener, path):
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        for pair in [(client, server), (server, client)]:
            threading.Thread(target=pump, args=pair, daemon=True).start()


def main():
    path, address, port, *command = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    listener = socket.create_server((address, int(port)))
    threading.Thread(target=serve, args=(listener, path), daemon=True).start()
    sys.exit(subprocess.run(command).returncode)


main()
