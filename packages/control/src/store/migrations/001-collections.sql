-- Every collection is a table of documents by key. `json` rather than `jsonb`: a published document keeps its bytes, and
-- what a report carried (a lone surrogate, an escaped NUL) is stored as it is. Keys sort bytewise, so that a
-- zero-padded number sorts as a number.
CREATE TABLE settings  (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE cells     (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE overrides (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE tenants   (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE versions  (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE bases     (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE overlays  (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE orders    (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE routers   (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE hosts     (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE audit     (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
