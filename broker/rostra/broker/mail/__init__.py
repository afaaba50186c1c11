"""Mail: mailboxes on disk, for recipients that may be away."""
