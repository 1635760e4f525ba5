SELECT category AS id, AVG(closing) AS final
FROM (
  SELECT a.category, MAX(b.price) AS closing
  FROM auction a JOIN bid b ON a.id = b.auction
  WHERE b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  GROUP BY a.id, a.category)
GROUP BY category
