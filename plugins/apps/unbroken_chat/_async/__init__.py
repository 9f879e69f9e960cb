"""The handlers, the reply stream and the content generator for asyncio and trio."""
