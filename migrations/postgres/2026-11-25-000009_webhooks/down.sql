DROP TABLE outgoing_webhook_attempts;
DROP TABLE outgoing_webhooks;
