"""The loopback venue: a real server that speaks Binance USD-M from a tape or a made market."""
