DROP TABLE bans;
DROP TABLE invites;
