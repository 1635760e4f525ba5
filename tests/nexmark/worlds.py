"""Events made up for tests, nothing shared with the engine's generator."""
import random

import oracle

TEXTS = ("", "x", "ü😀 日本", 'a "quoted" one', "comma, and\nline end", "back\\slash", "plain text " * 8)
PEOPLE_ACTIVE = 1000
AUCTIONS_IN_FLIGHT = 100
LEAD = 10  # Ids that do not exist yet are referred to.
LETTERS = "abcdefghijklmnopqrstuvwxyz" * 20


def small_world(seed, count=1500):
    """Events over few ids, prices and times, so that everything ties with something; up to 12 s out of
    order; some auctions come after their bids or never, some have none."""
    choose = random.Random(seed)
    base = -20_000 if seed % 2 else 86_390_000
    auctions = list(range(1, 60))
    choose.shuffle(auctions)
    people = list(range(1, 30))
    choose.shuffle(people)

    def time(step):
        late = choose.choice((0, 0, 0, 0, 500, 2000, 3999, 4000, 4001, 9000, 12000))
        ms = base + step * 50 - late
        return ms - ms % choose.choice((1, 500, 2000, 10000))

    def show(ms):
        form = choose.randrange(4)
        if form == 0:
            return ms
        text = oracle.show_time(ms)
        return (text, text[:-1], text.replace("T", " ")[:-1])[form - 1]

    for step in range(count):
        kind = choose.random()
        if kind < 0.04 and people:
            yield {"event_type": 0, "person": {
                "id": people.pop(), "name": choose.choice(TEXTS), "emailAddress": "a@b",
                "creditCard": "1", "city": choose.choice(TEXTS),
                "state": choose.choice(("OR", "ID", "CA", "WA")), "dateTime": show(time(step)),
                "extra": choose.choice(TEXTS)}}
        elif kind < 0.08 and auctions:
            start = time(step)
            yield {"event_type": 1, "person": None, "auction": {
                "id": auctions.pop(), "itemName": choose.choice(TEXTS),
                "description": choose.choice(TEXTS), "initialBid": 1, "reserve": 2,
                "dateTime": show(start), "expires": show(start + choose.choice((1, 5000, 60000))),
                "seller": choose.randrange(1, 30), "category": choose.choice((10, 10, 11)),
                "extra": choose.choice(TEXTS)}}
        else:
            yield {"event_type": 2, "bid": {
                "auction": choose.choice((7, 8, 123, choose.randrange(1, 70))),
                "bidder": choose.randrange(1, 8),
                "price": choose.choice((-7, 0, 9999, 10000, 999999, 1000000, choose.randrange(50))),
                "channel": choose.choice(TEXTS[:3]), "url": choose.choice(TEXTS[:3]),
                "dateTime": show(time(step)), "extra": choose.choice(TEXTS)}}


def pick_style(choose, number):
    """How a large world looks: number 0 is the benchmark's own, the others lean to an extreme each."""
    style = {"rate": 1000, "disorder_ms": 0, "hot_auction": 2, "hot_bidder": 4, "hot_seller": 4,
             "price_digits": 6.0, "iso_share": 1.0, "base_ms": 1_436_918_400_000}
    if number == 0:
        return style
    style["rate"] = choose.choice((50, 300, 1000, 4000))
    style["disorder_ms"] = (0, 900, 3900, 15_000)[number % 4]
    style["hot_auction"] = choose.choice((1, 2, 10, 100))
    style["hot_bidder"] = choose.choice((1, 4, 100))
    style["hot_seller"] = choose.choice((1, 4, 100))
    style["price_digits"] = choose.choice((1.0, 3.0, 6.0))
    style["iso_share"] = choose.choice((0.0, 0.5, 1.0))
    # Shortly before midnight, so that days change.
    style["base_ms"] = choose.choice((1_436_918_400_000 - 20_000, 1_700_000_000_123, 86_400_000 - 7))
    return style


def large_world(number, count):
    """The benchmark's mix: per 50 events a person, three auctions and 46 bids, hot keys and all, times
    out of order by up to disorder_ms."""
    choose = random.Random(1000 + number)
    style = pick_style(choose, number)

    def text(low, high):
        size, start = choose.randrange(low, high), choose.randrange(26)
        return LETTERS[start:start + size]

    def show(ms):
        return oracle.show_time(ms) if choose.random() < style["iso_share"] else ms

    def price():
        return round(10 ** (choose.random() * style["price_digits"]) * 100)

    def one_of(newest, active, hot_ratio):
        if choose.randrange(hot_ratio) > 0:
            return 1000 + newest // 100 * 100
        return 1000 + max(newest - active, 0) + choose.randrange(min(active, newest + 1) + LEAD)

    for event in range(count):
        group, place = divmod(event, 50)
        time = style["base_ms"] + event * 1000 // style["rate"]
        if style["disorder_ms"] and choose.random() < 0.5:
            time -= choose.randrange(style["disorder_ms"])
        if place == 0:
            yield {"event_type": 0, "person": {
                "id": 1000 + group, "name": text(4, 8) + " " + text(4, 9),
                "emailAddress": text(3, 7) + "@" + text(3, 5) + ".com", "creditCard": "1234 5678",
                "city": text(4, 12), "state": choose.choice(("AZ", "CA", "ID", "OR", "WA", "WY")),
                "dateTime": show(time), "extra": text(0, 80)}}
        elif place < 4:
            initial = price()
            yield {"event_type": 1, "auction": {
                "id": 1000 + group * 3 + place - 1, "itemName": text(3, 20),
                "description": text(3, 100), "initialBid": initial, "reserve": initial + price(),
                "dateTime": show(time), "expires": show(time + choose.randrange(1, 3_400_000 // style["rate"])),
                "seller": one_of(group, PEOPLE_ACTIVE, style["hot_seller"]),
                "category": choose.randrange(10, 15), "extra": text(0, 300)}}
        else:
            yield {"event_type": 2, "bid": {
                "auction": one_of(group * 3 + 2, AUCTIONS_IN_FLIGHT, style["hot_auction"]),
                "bidder": one_of(group, PEOPLE_ACTIVE, style["hot_bidder"]), "price": price(),
                "channel": choose.choice(("Apple", "Google", "channel-" + str(choose.randrange(99)))),
                "url": "https://www.nexmark.com/" + text(3, 9) + "/item.htm?query=1",
                "dateTime": show(time), "extra": text(50, 80)}}
