CREATE TABLE asked_tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    asked_at FLOAT NOT NULL,
    PRIMARY KEY (image, tag)
)
 WITHOUT ROWID;

CREATE TABLE changes (
    number INTEGER NOT NULL,
    image TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (number)
);

CREATE INDEX changes_by_image ON changes (image, number);

CREATE TABLE checks (
    image TEXT NOT NULL,
    name TEXT NOT NULL,
    registry TEXT NOT NULL,
    due_at FLOAT NOT NULL,
    began_at FLOAT,
    ended_at FLOAT,
    succeeded_at FLOAT,
    failing_since FLOAT,
    failures INTEGER NOT NULL,
    reason TEXT,
    error TEXT,
    edition TEXT NOT NULL,
    wanted_tags TEXT NOT NULL,
    follow_ups INTEGER NOT NULL,
    PRIMARY KEY (image)
)
 WITHOUT ROWID;

CREATE INDEX checks_by_due_at ON checks (due_at);

CREATE INDEX checks_by_name ON checks (name);

CREATE TABLE content (
    digest TEXT NOT NULL,
    body BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    used_at FLOAT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX content_by_used_at ON content (used_at, size_bytes);

CREATE TABLE counts (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    value FLOAT NOT NULL,
    PRIMARY KEY (name, labels)
)
 WITHOUT ROWID;

CREATE TABLE deliveries (
    number INTEGER NOT NULL,
    subscription_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (number)
);

CREATE UNIQUE INDEX deliveries_by_message ON deliveries (subscription_id, message_id);

CREATE TABLE first_seen (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    seen_at FLOAT NOT NULL,
    PRIMARY KEY (image, tag, digest)
)
 WITHOUT ROWID;

CREATE TABLE gauges (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    value FLOAT NOT NULL,
    set_at FLOAT NOT NULL,
    holds_until FLOAT NOT NULL,
    PRIMARY KEY (name, labels)
)
 WITHOUT ROWID;

CREATE TABLE layer_stacks (
    image TEXT NOT NULL,
    sha TEXT NOT NULL,
    chain TEXT NOT NULL,
    lower_chains TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (image, sha)
)
 WITHOUT ROWID;

CREATE INDEX layer_stacks_by_chain ON layer_stacks (chain);

CREATE TABLE leases (
    name TEXT NOT NULL,
    fence BIGINT NOT NULL,
    holder TEXT NOT NULL,
    expires_at FLOAT NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID;

CREATE TABLE messages (
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at FLOAT NOT NULL,
    is_parked BOOLEAN NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (id)
);

CREATE INDEX messages_by_subscription ON messages (is_parked, subscription_id, number);

CREATE TABLE meta (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);

CREATE TABLE public_files (
    image TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (image, path)
)
 WITHOUT ROWID;

CREATE TABLE records (
    image TEXT NOT NULL,
    description TEXT NOT NULL,
    pull_count BIGINT NOT NULL,
    entry TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (image)
);

CREATE TABLE requests (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    asked INTEGER NOT NULL,
    asked_at FLOAT NOT NULL,
    asked_by TEXT NOT NULL,
    PRIMARY KEY (image, tag)
)
 WITHOUT ROWID;

CREATE TABLE subscriptions (
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    image_name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    tags TEXT NOT NULL,
    format TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    is_by_operator BOOLEAN NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (id)
);

CREATE INDEX subscriptions_by_image ON subscriptions (image_name);

CREATE TABLE tracked_images (
    image TEXT NOT NULL,
    path TEXT NOT NULL,
    kept_tags TEXT NOT NULL,
    is_private BOOLEAN NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (image)
);

CREATE INDEX tracked_images_by_path ON tracked_images (path);

CREATE TABLE versions (
    image TEXT NOT NULL,
    sha TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (image, sha)
);
