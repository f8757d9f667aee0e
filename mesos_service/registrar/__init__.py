"""Where the registry is kept. An adapter: it stores operations and says when they are durable, and decides nothing."""
