"""Sends frames and says who got them: ports and frames as JSON on standard input, observations as
JSON on standard output. Runs in the lab. Raw packet sockets see what the card hands over before any
protocol does; a tag that the driver took off comes beside the frame (packet(7), PACKET_AUXDATA).
"""

import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_AUXDATA = 8
PACKET_MR_PROMISC = 1
PACKET_OUTGOING = 4
CLONE_NEWNET = 0x40000000
TP_STATUS_VLAN_VALID = 1 << 4
MAGIC = b"sriovctl-frame-"

libc = ctypes.CDLL(None, use_errno=True)


def enter(path):
    fd = os.open(path, os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), path)
    os.close(fd)


def open_port(port):
    if port["netns"]:
        enter("/run/netns/" + port["netns"])
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.bind((port["device"], ETH_P_ALL))
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if port["promiscuous"]:
            index = socket.if_nametoindex(port["device"])
            membership = struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b"")
            sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        sock.setblocking(False)
        return sock
    finally:
        enter("/proc/1/ns/net")


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def encode(frame):
    tags = b"".join(struct.pack("!HH", 0x8100, tci) for tci in frame["tags"])
    payload = MAGIC + struct.pack("!H", frame["id"])
    body = mac(frame["destination"]) + mac(frame["source"]) + tags
    return (body + struct.pack("!H", 0x88B5) + payload).ljust(60, b"\0")


def tags_of(data, ancillary):
    tags = []
    for level, kind, value in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_VLAN_VALID:
                tags.append(tci)
    at = 12
    while data[at : at + 2] == b"\x81\x00":
        tags.append(struct.unpack("!H", data[at + 2 : at + 4])[0])
        at += 4
    return tags


def drain(sockets, seen, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select(list(sockets.values()), [], [], 0.02)
        for name, sock in sockets.items():
            if sock not in ready:
                continue
            data, ancillary, _, address = sock.recvmsg(2048, 64)
            at = data.find(MAGIC)
            if at < 0 or address[2] == PACKET_OUTGOING:
                continue
            number = struct.unpack("!H", data[at + len(MAGIC) : at + len(MAGIC) + 2])[0]
            seen.append({"id": number, "port": name, "tags": tags_of(data, ancillary)})


def main():
    wish = json.load(sys.stdin)
    sockets = {port["name"]: open_port(port) for port in wish["ports"]}
    seen = []
    for frame in wish["frames"]:
        sockets[frame["from"]].send(encode(frame))
        drain(sockets, seen, 0.05)
    drain(sockets, seen, 1)
    json.dump(seen, sys.stdout)


main()
