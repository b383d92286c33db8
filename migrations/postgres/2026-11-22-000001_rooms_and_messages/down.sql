DROP TABLE batches, reply_chunks, replies, room_log, messages, room_heads, memberships, rooms, tickets, sessions, users;
