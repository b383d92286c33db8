DROP TABLE bans, invites;
