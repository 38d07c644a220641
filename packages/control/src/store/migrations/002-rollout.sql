-- What is under way around a new base: its wave, a halt after one that was taken back, an operator's leave to exceed the
-- budget. One row each, or none.
CREATE TABLE rollout (key text COLLATE "C" PRIMARY KEY, document json NOT NULL);
