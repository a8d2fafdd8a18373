-- Which engine a release's image was made for: empty where nobody wrote it down, `component` where the app brings all.
ALTER TABLE releases ADD COLUMN engine TEXT NOT NULL DEFAULT '';
