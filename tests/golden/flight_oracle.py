"""What the flight jobs must write, calculated another way: record by record, with plain dictionaries.

The watermark is applied after every record, windows are cut by integer division, and nothing is
shared with the engine. Times are milliseconds since the epoch.
"""
import csv
import datetime

DELAYED_FROM_MIN = 15
HOUR = 3_600_000


def parse_time(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) * 1000


def show_time(ms):
    time = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".%03dZ" % (ms % 1000) if ms % 1000 else "Z")


def read_flights(path):
    with open(path, newline="") as file:
        for line in file.read().splitlines()[1:]:
            scheduled, delay, distance, origin, destination = line.split(",")
            yield parse_time(scheduled), int(delay), int(distance), origin, destination, line


def delays(path, window, bound):
    """Rows of flight_delays and the late lines, as an element-by-element run gives them."""
    open_windows, late = {}, []
    newest = watermark = None
    for time, delay, _, origin, _, line in read_flights(path):
        start = time - time % window
        if watermark is not None and start + window - 1 <= watermark:
            late.append(line)
        else:
            row = open_windows.setdefault((start, origin), [0, 0, 0, -(2**31)])
            row[0] += 1
            row[1] += delay >= DELAYED_FROM_MIN
            row[2] += delay
            row[3] = max(row[3], delay)
        newest = time if newest is None else max(newest, time)
        watermark = newest - bound - 1
    rows = [
        ",".join([show_time(start), show_time(start + window), origin, *map(str, row)])
        for (start, origin), row in open_windows.items()
    ]
    return sorted(rows), sorted(late)


def sessions(path, gap):
    """Rows of airport_sessions when no flight is late."""
    by_origin = {}
    for time, _, _, origin, _, _ in read_flights(path):
        by_origin.setdefault(origin, []).append(time)
    rows = []
    for origin, times in by_origin.items():
        times.sort()
        first = last = times[0]
        count = 0
        for time in times:
            # Windows that merely touch are one.
            if time > last + gap:
                rows.append((origin, first, last + gap, count))
                first, count = time, 0
            last, count = time, count + 1
        rows.append((origin, first, last + gap, count))
    return sorted(f"{o},{show_time(a)},{show_time(b)},{n}" for o, a, b, n in rows)


def alerts(path, rules_path):
    """Rows of rule_alerts and of the flights without a rule."""
    rules = {}
    with open(rules_path, newline="") as file:
        for rule in csv.DictReader(file):
            rules.setdefault(rule["origin"], []).append(
                (parse_time(rule["valid_from"]), int(rule["threshold_min"]))
            )
    found, unmatched = [], []
    for time, delay, distance, origin, destination, line in read_flights(path):
        valid = [rule for rule in sorted(rules.get(origin, [])) if rule[0] <= time]
        if not valid:
            unmatched.append(line)
        elif delay >= valid[-1][1]:
            found.append(f"{show_time(time)},{origin},{destination},{delay},{valid[-1][1]}")
    return sorted(found), sorted(unmatched)


def streaks(path, shortest, gap):
    """Rows of delay_streaks when no flight is late."""
    by_origin = {}
    for time, delay, distance, origin, destination, _ in read_flights(path):
        by_origin.setdefault(origin, []).append((time, delay, destination, distance))
    rows = []
    for origin, flights in by_origin.items():
        streak = None

        def end(streak):
            if streak and streak[2] >= shortest:
                rows.append(
                    f"{origin},{show_time(streak[0])},{show_time(streak[1])},{streak[2]},{streak[3]}"
                )

        for time, delay, _, _ in sorted(flights):
            if streak and streak[1] + gap <= time:
                end(streak)
                streak = None
            if delay < DELAYED_FROM_MIN:
                end(streak)
                streak = None
            else:
                first, _, count, total = streak or (time, time, 0, 0)
                streak = (first, time, count + 1, total + delay)
        end(streak)
    return sorted(rows)
