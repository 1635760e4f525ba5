SELECT auction, bidder, price, channel, url, `dateTime`, extra
FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY bidder, auction
    ORDER BY `dateTime` DESC, price ASC, channel ASC, url ASC, extra ASC) AS place
  FROM bid)
WHERE place <= 1
