#!/usr/bin/env python3
"""Power cuts under a disk, by the kernel's log-writes device.

That device keeps a log beside the disk it passes writes on to. A finished write enters the log only when a flush comes after
it (or at once, when it was written with FUA). So the log up to a mark is exactly what a disk with a volatile cache is sure to hold
when the power goes at that mark: nothing more has to survive, and here nothing more does.

  cut.py write DISK MODE SECONDS FOLDER DM-NAME
      Writes numbered versions of blocks to DISK from several threads, and marks the log now and then. FOLDER gets, for each
      mark, the version of each block that had been acknowledged before it and the newest that may be there.
      MODE says when a version counts as acknowledged as durable:
        fua      when the write returns; it was sent with FUA
        sync     when a later SYNCHRONIZE CACHE returns
        through  when the write returns; the disk says that it has no write cache
  cut.py replay LOG IMAGE MARK
      Writes what the log holds up to MARK to IMAGE, a copy of the disk as it was before.
  cut.py verify DISK FOLDER MARK
      Reads DISK and prints what is lost, torn or foreign. Status 1 when there is any.
"""
import mmap
import os
import random
import struct
import subprocess
import sys
import threading
import time
from array import array

BLOCK = 4096
THREADS = 4
LARGEST = 64            # blocks of one write
BATCH = 6               # writes before a SYNCHRONIZE CACHE
PAUSE = 0.8             # seconds between marks
ACKNOWLEDGED, NEWEST = 0, 1


def content(block, version):
    return struct.pack("<QQ", block, version) * (BLOCK // 16) if version else bytes(BLOCK)


def size_of(path):
    fd = os.open(path, os.O_RDONLY)
    size = os.lseek(fd, 0, os.SEEK_END)
    os.close(fd)
    return size


class Writer(threading.Thread):
    """Owns its part of the disk, so that no two writes overlap in flight."""

    def __init__(self, disk, mode, first, count, table, until, seed):
        super().__init__(daemon=True)
        flags = os.O_RDWR | os.O_DIRECT | (os.O_DSYNC if mode == "fua" else 0)
        self.fd = os.open(disk, flags)
        self.mode, self.first, self.count, self.until = mode, first, count, until
        self.table = table
        self.random = random.Random(seed)
        self.error = None
        self.writes = 0

    def run(self):
        try:
            buffer = mmap.mmap(-1, LARGEST * BLOCK)
            pending = []
            while time.monotonic() < self.until:
                length = self.random.choice((1, 1, 1, 2, 8, LARGEST))
                at = self.first + self.random.randrange(self.count - length)
                blocks = range(at, at + length)
                for block in blocks:
                    self.table[NEWEST][block] += 1
                buffer[: length * BLOCK] = b"".join(content(b, self.table[NEWEST][b]) for b in blocks)
                if os.pwrite(self.fd, memoryview(buffer)[: length * BLOCK], at * BLOCK) != length * BLOCK:
                    raise OSError("short write")
                self.writes += 1
                pending.extend(blocks)
                if self.mode == "sync":
                    if self.writes % BATCH:
                        continue
                    os.fsync(self.fd)
                for block in pending:
                    self.table[ACKNOWLEDGED][block] = self.table[NEWEST][block]
                pending.clear()
        except OSError as error:
            self.error = error


def write(disk, mode, seconds, folder, name):
    blocks = size_of(disk) // BLOCK
    table = (array("Q", bytes(8 * blocks)), array("Q", bytes(8 * blocks)))
    until = time.monotonic() + float(seconds)
    part = blocks // THREADS
    writers = [Writer(disk, mode, i * part, part, table, until, i) for i in range(THREADS)]
    for writer in writers:
        writer.start()
    os.makedirs(folder, exist_ok=True)
    mark = 0
    while time.monotonic() < until - PAUSE:
        time.sleep(PAUSE)
        # In this order: what is acknowledged before the mark must be there; what is begun after it cannot be.
        acknowledged = table[ACKNOWLEDGED].tobytes()
        subprocess.run(["dmsetup", "message", name, "0", "mark", f"cut{mark}"], check=True)
        newest = table[NEWEST].tobytes()
        with open(f"{folder}/cut{mark}", "wb") as out:
            out.write(acknowledged + newest)
        mark += 1
    for writer in writers:
        writer.join()
        if writer.error:
            raise writer.error
    print(f"{sum(w.writes for w in writers)} writes, {mark} cuts")


def replay(log, image, mark):
    """The log's form: a superblock, then entries of one sector, each followed by its data (marks carry theirs inside)."""
    discard, marker = 4, 8
    with open(log, "rb") as source, open(image, "r+b") as target:
        magic, version, entries, sector = struct.unpack("<QQQI", source.read(28))
        if magic != 0x6A736677736872 or version != 1:
            raise SystemExit(f"{log}: not a log of writes")
        at = sector
        for _ in range(entries):
            source.seek(at)
            head = source.read(sector)
            start, count, flags, length = struct.unpack("<QQQQ", head[:32])
            at += sector
            if flags & marker:
                if head[32 : 32 + length].rstrip(b"\0") == mark.encode():
                    return
                continue
            target.seek(start * sector)
            if flags & discard:
                target.write(bytes(count * sector))
                continue
            target.write(source.read(count * sector))
            at += count * sector
    raise SystemExit(f"{log}: no mark {mark}")


def verify(disk, folder, mark):
    with open(f"{folder}/{mark}", "rb") as table:
        both = array("Q", table.read())
    blocks = len(both) // 2
    lost = torn = foreign = durable = 0
    with open(disk, "rb", buffering=1 << 20) as source:
        for block in range(blocks):
            acknowledged, newest = both[block], both[blocks + block]
            durable += acknowledged > 0
            data = source.read(BLOCK)
            there = struct.unpack("<QQ", data[:16])
            if data != content(block, there[1]):
                # Sectors of one block may be of two versions where a write was in flight.
                torn += acknowledged == newest
            elif there[1] < acknowledged:
                lost += 1
                if lost <= 3:
                    print(f"  block {block}: version {acknowledged} was acknowledged, {there[1]} is there")
            elif there[1] > newest:
                foreign += 1
    print(f"{mark}: {durable} blocks acknowledged, {lost} lost, {torn} torn, {foreign} foreign")
    if not durable:
        raise SystemExit("nothing had been acknowledged: the test tested nothing")
    raise SystemExit(bool(lost or torn or foreign))


if __name__ == "__main__":
    {"write": write, "replay": replay, "verify": verify}[sys.argv[1]](*sys.argv[2:])
