-- When each cell was registered, for what it costs. Of those that are there already: what the audit trail says, and where
-- that goes back no further, since when they are in the state that they are in. The text of a row is added to and not
-- taken apart, since `jsonb` refuses some of what `json` keeps.
UPDATE cells
SET document =
  (left(rtrim(cells.document::text, E' \n\r\t'), -1) || ',"registered_at":' || to_json(known.at) || '}')::json
FROM (
  SELECT cells.key, coalesce(audited.at, cells.document->'cell'->>'state_since') AS at
  FROM cells
  LEFT JOIN (
    SELECT document->>'subject' AS cell, min(document->>'at') AS at
    FROM audit
    WHERE document->>'action' IN ('cell.register', 'cell.add')
    GROUP BY 1
  ) audited ON audited.cell = cells.key
  WHERE cells.document->'cell' IS NOT NULL
) known
WHERE known.key = cells.key AND known.at IS NOT NULL;
