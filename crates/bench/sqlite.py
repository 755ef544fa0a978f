"""The work of a touch in SQLite: an insert and two upserts, durable at every commit.

sqlite.py FOLDER PEOPLE BATCH SECONDS; prints one line of figures. Python's own overhead is a few
microseconds a statement, some ten times less than what SQLite does for it; a Rust binding would
bring a C compiler into the build for that.
"""

import random
import sqlite3
import sys
import time

folder, people, batch, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
database = sqlite3.connect(f"{folder}/touches.db", isolation_level=None)
database.execute("pragma journal_mode = wal")
database.execute("pragma synchronous = full")
database.execute("pragma cache_size = -1048576")
database.execute("create table touch (id integer primary key, person integer, body text)")
database.execute("create index touch_person on touch (person, id)")
for table, size in (("person", 500), ("unit", 200)):
    database.execute(f"create table {table} (id integer primary key, touches integer, body text)")
    database.execute("begin")
    rows = ((at, "x" * size) for at in range(people))
    database.executemany(f"insert into {table} values (?, 0, ?)", rows)
    database.execute("commit")
database.execute("pragma wal_checkpoint(truncate)")

body = "x" * 300
upsert = (
    "insert into {0} values (?, 1, '') on conflict (id) do update set touches = {0}.touches + 1"
)
count, begun = 0, time.monotonic()
while time.monotonic() - begun < seconds:
    who = [(random.randrange(people),) for _ in range(batch)]
    database.execute("begin immediate")
    database.executemany("insert into touch (person, body) values (?, ?)", ((p, body) for p, in who))
    database.executemany(upsert.format("person"), who)
    database.executemany(upsert.format("unit"), who)
    database.execute("commit")
    count += batch
print('{"per_second":%f}' % (count / (time.monotonic() - begun)))
