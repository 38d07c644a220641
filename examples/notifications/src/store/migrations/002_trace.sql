-- The trace in which a notification was accepted, so that its delivery, minutes later and in another process, is found in
-- the same one. In the queue, not in the notification: nobody follows a trace that was over days ago. NULL: accepted by an
-- earlier release.
ALTER TABLE delivery ADD COLUMN traceparent text;
