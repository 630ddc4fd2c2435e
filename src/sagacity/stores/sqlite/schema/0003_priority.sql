-- Who comes first when sagas are taken over; 0 is what all had before. It counts into the
-- checksum of a saga only when it is not 0.

ALTER TABLE saga ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
