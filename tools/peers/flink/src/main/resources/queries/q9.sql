SELECT id, itemName, description, initialBid, reserve, `dateTime`, expires, seller, category, extra,
       auction, bidder, price, bid_dateTime, bid_extra
FROM (
  SELECT a.*, b.auction, b.bidder, b.price, b.`dateTime` AS bid_dateTime, b.extra AS bid_extra,
         ROW_NUMBER() OVER (
           PARTITION BY a.id
           ORDER BY b.price DESC, b.`dateTime` ASC, b.bidder ASC, b.channel ASC, b.url ASC, b.extra ASC
         ) AS place
  FROM auction a JOIN bid b ON a.id = b.auction
  WHERE b.`dateTime` BETWEEN a.`dateTime` AND a.expires)
WHERE place <= 1
