#!/usr/bin/env python3
"""A slow, lossy link between two network namespaces, for kernels without netem: what goes into a TUN device in one comes
out of that in the other, later or never. Prints "up", and runs until it is ended. SIGUSR1: all is lost; SIGUSR2: no longer.
Usage: slow-link.py NAMESPACE ADDRESS NAMESPACE ADDRESS DELAY_MS LOSS   (delay each way; loss from 0 to 1)"""
import asyncio
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
CLONE_NEWNET = 0x40000000


def open_tun(namespace: str, address: str, peer: str) -> int:
    """A device in that namespace; the process is back in its own afterwards."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        setns(other)
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"slow0", IFF_TUN | IFF_NO_PI))
        for words in (["addr", "add", address, "peer", peer, "dev", "slow0"], ["link", "set", "slow0", "up"]):
            subprocess.run(["ip", *words], check=True)
        return tun
    finally:
        setns(own)
        os.close(own)
        os.close(other)


def setns(descriptor: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Weather:
    """How much is lost: from 0, nothing, to 1."""

    def __init__(self, loss: float) -> None:
        self.loss = loss

    def change(self, loss: float) -> None:
        self.loss = loss


def carry(loop, source: int, target: int, delay: float, weather: Weather) -> None:
    """Packets of one direction keep their order, since each waits as long as the others."""

    def deliver(packet: bytes) -> None:
        try:
            os.write(target, packet)
        except OSError:
            pass  # A full device drops, as a router does.

    def arrive() -> None:
        while True:
            try:
                packet = os.read(source, 65536)
            except BlockingIOError:
                return
            if random.random() >= weather.loss:
                loop.call_later(delay, deliver, packet)

    loop.add_reader(source, arrive)


def main() -> None:
    near, near_address, far, far_address = sys.argv[1:5]
    delay, loss = float(sys.argv[5]) / 1000, float(sys.argv[6])
    random.seed(1)
    loop = asyncio.new_event_loop()
    a, b = open_tun(near, near_address, far_address), open_tun(far, far_address, near_address)
    weather = Weather(loss)
    carry(loop, a, b, delay, weather)
    carry(loop, b, a, delay, weather)
    loop.add_signal_handler(signal.SIGUSR1, weather.change, 1.0)
    loop.add_signal_handler(signal.SIGUSR2, weather.change, loss)
    print("up", flush=True)
    loop.run_forever()


main()
