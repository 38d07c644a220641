-- When a cell's error budget burned, and what the busiest tenants did in each hour.
CREATE TABLE incidents    (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
CREATE TABLE tenant_hours (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
