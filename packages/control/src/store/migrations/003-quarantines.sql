-- Tenants in quarantine, and those that were released not long ago.
CREATE TABLE quarantines (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
