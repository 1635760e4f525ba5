#!/usr/bin/env python3
"""What each Nexmark query must write, calculated another way: SQLite over the same file of events.

    oracle.py QUERY EVENTS_FILE      prints CSV: a header, then the final rows in sorted order

Only sessions and watermarks are calculated by hand, element by element. The watermark is that of the
benchmark's table, the newest time seen minus 4 s, and is judged before each event's own time counts.
Nothing is shared with the engine.
"""
import csv
import datetime
import gzip
import io
import json
import sqlite3
import sys

WATERMARK_DELAY = 4_000
WINDOW = 10_000
SLIDE = 2_000
SESSION_GAP = 10_000
NO_WATERMARK = -(2**62)
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value):
    """ISO 8601 or milliseconds, as number or text, into milliseconds since the epoch."""
    if isinstance(value, (int, float)):
        return int(value)
    try:
        return int(value)
    except ValueError:
        pass
    time = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - EPOCH) // datetime.timedelta(milliseconds=1)


def show_time(ms):
    text = (EPOCH + datetime.timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".%03dZ" % (ms % 1000) if ms % 1000 else "Z")


def show_day(ms):
    return show_time(ms)[:10]


def show_minute(ms):
    return show_time(ms)[11:16]


def read_lines(path):
    opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else \
        open(path, encoding="utf-8")
    with opened as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


SCHEMA = """
CREATE TABLE person (id INTEGER, name TEXT, emailAddress TEXT, creditCard TEXT, city TEXT,
                     state TEXT, dateTime INTEGER, extra TEXT, watermark INTEGER);
CREATE TABLE auction (id INTEGER, itemName TEXT, description TEXT, initialBid INTEGER,
                      reserve INTEGER, dateTime INTEGER, expires INTEGER, seller INTEGER,
                      category INTEGER, extra TEXT, watermark INTEGER);
CREATE TABLE bid (auction INTEGER, bidder INTEGER, price INTEGER, channel TEXT, url TEXT,
                  dateTime INTEGER, extra TEXT, watermark INTEGER, day TEXT);
"""
COLUMNS = {
    "person": ("id", "name", "emailAddress", "creditCard", "city", "state", "dateTime", "extra"),
    "auction": ("id", "itemName", "description", "initialBid", "reserve", "dateTime", "expires",
                "seller", "category", "extra"),
    "bid": ("auction", "bidder", "price", "channel", "url", "dateTime", "extra"),
}
NUMBERS = {"id", "initialBid", "reserve", "seller", "category", "auction", "bidder", "price"}
TIMES = {"dateTime", "expires"}


def convert(column, value):
    if column in TIMES:
        return parse_time(value)
    if column in NUMBERS:
        return int(value)
    return "" if value is None else str(value)


def load(path):
    """The tables of a file of events, each row with the watermark it met."""
    rows = {"person": [], "auction": [], "bid": []}
    newest, watermark = None, NO_WATERMARK
    for event in read_lines(path):
        table = ("person", "auction", "bid")[int(event["event_type"])]
        record = event[table]
        row = [convert(column, record.get(column)) for column in COLUMNS[table]]
        row.append(watermark)
        time = row[COLUMNS[table].index("dateTime")]
        if table == "bid":
            row.append(show_day(time))
        rows[table].append(row)
        newest = time if newest is None else max(newest, time)
        watermark = newest - WATERMARK_DELAY
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    for table, table_rows in rows.items():
        if table_rows:
            marks = ",".join("?" * len(table_rows[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", table_rows)
    database.execute("CREATE INDEX bid_auction ON bid (auction)")
    database.execute("CREATE INDEX auction_id ON auction (id)")
    database.execute("CREATE INDEX bid_price ON bid (price)")
    database.create_function("iso", 1, show_time, deterministic=True)
    database.create_function("day", 1, show_day, deterministic=True)
    database.create_function("minute", 1, show_minute, deterministic=True)
    # The largest multiple of `step` that is not above the time; SQLite's % rounds towards zero.
    database.create_function("floor_to", 2, lambda ms, step: ms - ms % step, deterministic=True)
    return database


# Windows that hold a bid and were still open when it came.
HOPS = f"""
WITH RECURSIVE hop(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM hop WHERE n < {WINDOW // SLIDE - 1}),
counts AS (
  SELECT auction, window_end, count(*) AS num
  FROM (SELECT auction, watermark,
               floor_to(dateTime, {SLIDE}) - n * {SLIDE} + {WINDOW} AS window_end
        FROM bid, hop)
  WHERE window_end - 1 > watermark
  GROUP BY auction, window_end)
"""
IN_TIME = "B.dateTime BETWEEN A.dateTime AND A.expires"
RANKS = ("price < 10000", "price >= 10000 AND price < 1000000", "price >= 1000000")
BID = "auction, bidder, price, channel, url, iso(dateTime), extra"

QUERIES = {
    "q0": ("auction,bidder,price,dateTime,extra",
           "SELECT auction, bidder, price, iso(dateTime), extra FROM bid"),
    "q2": ("auction,price", "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q3": ("name,city,state,id",
           "SELECT P.name, P.city, P.state, A.id FROM auction A JOIN person P ON A.seller = P.id "
           "WHERE A.category = 10 AND P.state IN ('OR', 'ID', 'CA')"),
    "q4": ("id,final",
           "SELECT category, sum(final) / count(*) FROM (SELECT max(B.price) AS final, A.category "
           f"FROM auction A JOIN bid B ON A.id = B.auction WHERE {IN_TIME} "
           "GROUP BY A.id, A.category) GROUP BY category"),
    "q5": ("auction,num",
           HOPS + "SELECT auction, num FROM counts JOIN (SELECT window_end AS best_end, max(num) AS "
           "most FROM counts GROUP BY window_end) ON window_end = best_end WHERE num >= most"),
    "q7": ("auction,price,bidder,dateTime,extra",
           "SELECT B.auction, B.price, B.bidder, iso(B.dateTime), B.extra FROM bid B JOIN ("
           f"SELECT floor_to(dateTime, {WINDOW}) + {WINDOW} AS window_end, max(price) AS highest "
           f"FROM bid WHERE floor_to(dateTime, {WINDOW}) + {WINDOW} - 1 > watermark "
           "GROUP BY window_end) ON B.price = highest "
           f"WHERE B.dateTime BETWEEN window_end - {WINDOW} AND window_end"),
    "q8": ("id,name,stime",
           "SELECT id, name, iso(p_start) FROM (SELECT DISTINCT id, name, "
           f"floor_to(dateTime, {WINDOW}) AS p_start FROM person "
           f"WHERE floor_to(dateTime, {WINDOW}) + {WINDOW} - 1 > watermark) JOIN (SELECT DISTINCT "
           f"seller, floor_to(dateTime, {WINDOW}) AS a_start FROM auction "
           f"WHERE floor_to(dateTime, {WINDOW}) + {WINDOW} - 1 > watermark) "
           "ON id = seller AND p_start = a_start"),
    "q9": ("id,itemName,description,initialBid,reserve,dateTime,expires,seller,category,extra,"
           "auction,bidder,price,bid_dateTime,bid_extra",
           "SELECT id, itemName, description, initialBid, reserve, iso(a_time), iso(expires), seller,"
           " category, a_extra, auction, bidder, price, iso(b_time), b_extra FROM (SELECT A.*, B.*, "
           "A.dateTime AS a_time, A.extra AS a_extra, B.dateTime AS b_time, B.extra AS b_extra, "
           "row_number() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.dateTime, B.bidder, "
           "B.channel, B.url, B.extra) AS place FROM auction A JOIN bid B ON A.id = B.auction "
           f"WHERE {IN_TIME}) WHERE place = 1"),
    "q10": ("auction,bidder,price,dateTime,extra,dt,hm",
            "SELECT auction, bidder, price, iso(dateTime), extra, day(dateTime), minute(dateTime) "
            "FROM bid"),
    "q15": ("day,total_bids,rank1_bids,rank2_bids,rank3_bids,total_bidders,rank1_bidders,"
            "rank2_bidders,rank3_bidders,total_auctions,rank1_auctions,rank2_auctions,rank3_auctions",
            "SELECT day, " + ", ".join(
                [f"count({what}) FILTER (WHERE {rank})" for what in
                 ("*", "DISTINCT bidder", "DISTINCT auction") for rank in ("1", *RANKS)]) +
            " FROM bid GROUP BY day"),
    "q17": ("auction,day,total_bids,rank1_bids,rank2_bids,rank3_bids,min_price,max_price,avg_price,"
            "sum_price",
            "SELECT auction, day, count(*), " +
            ", ".join(f"count(*) FILTER (WHERE {rank})" for rank in RANKS) +
            ", min(price), max(price), sum(price) / count(*), sum(price) FROM bid "
            "GROUP BY auction, day"),
    "q18": ("auction,bidder,price,channel,url,dateTime,extra",
            f"SELECT {BID} FROM (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY "
            "dateTime DESC, price, channel, url, extra) AS place FROM bid) WHERE place = 1"),
    "q19": ("auction,bidder,price,channel,url,dateTime,extra,rank_number",
            f"SELECT {BID}, place FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY "
            "price DESC, bidder, channel, url, dateTime, extra) AS place FROM bid) "
            "WHERE place <= 10"),
    "q20": ("auction,bidder,price,channel,url,bid_dateTime,bid_extra,itemName,description,initialBid,"
            "reserve,auction_dateTime,expires,seller,category,auction_extra",
            "SELECT auction, bidder, price, channel, url, iso(B.dateTime), B.extra, itemName, "
            "description, initialBid, reserve, iso(A.dateTime), iso(expires), seller, category, "
            "A.extra FROM bid B JOIN auction A ON B.auction = A.id WHERE A.category = 10"),
}


def euro_prices(database):
    """q1: price * 0.908 with three decimals."""
    rows = []
    for auction, bidder, price, time, extra in database.execute(
            "SELECT auction, bidder, price, iso(dateTime), extra FROM bid"):
        thousandths = abs(price) * 908
        sign = "-" if price < 0 else ""
        euro = f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"
        rows.append((auction, bidder, euro, time, extra))
    return rows


def sessions(database):
    """q11, bid by bid. Sessions that touch are one; a bid that would open a session that has ended
    already is late."""
    open_sessions = {}
    rows = []
    for bidder, time, watermark in database.execute(
            "SELECT bidder, dateTime, watermark FROM bid ORDER BY rowid"):
        mine = open_sessions.setdefault(bidder, [])
        for session in [s for s in mine if s[1] - 1 <= watermark]:
            mine.remove(session)
            rows.append((bidder, session))
        start, end, count = time, time + SESSION_GAP, 1
        for session in [s for s in mine if s[0] <= end and start <= s[1]]:
            mine.remove(session)
            start, end = min(start, session[0]), max(end, session[1])
            count += session[2]
        if end - 1 > watermark:
            mine.append((start, end, count))
    for bidder, mine in open_sessions.items():
        rows += [(bidder, session) for session in mine]
    return [(bidder, count, show_time(start), show_time(end))
            for bidder, (start, end, count) in rows]


def bids_per_bidder(database):
    """What the counts of q12 add up to: its windows are cut by the wall clock."""
    return list(database.execute("SELECT bidder, count(*) FROM bid GROUP BY bidder"))


CALCULATED = {
    "q1": ("auction,bidder,price,dateTime,extra", euro_prices),
    "q11": ("bidder,bid_count,starttime,endtime", sessions),
    "q12": ("bidder,bid_count", bids_per_bidder),
}
NAMES = sorted([*QUERIES, *CALCULATED], key=lambda name: int(name[1:]))


def columns(query):
    return (QUERIES.get(query) or CALCULATED[query])[0].split(",")


def run(query, database):
    """The final rows of a query as tuples of text, sorted."""
    if query in QUERIES:
        rows = database.execute(QUERIES[query][1])
    else:
        rows = CALCULATED[query][1](database)
    return sorted(tuple(str(value) for value in row) for row in rows)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: oracle.py QUERY EVENTS_FILE, QUERY one of {' '.join(NAMES)}")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns(sys.argv[1]))
    writer.writerows(run(sys.argv[1], load(sys.argv[2])))
    sys.stdout.write(out.getvalue())


if __name__ == "__main__":
    main()
