"""What must stand before the core answers anybody: the day partitions of what it will write.

What the core keeps ends with the job for every term (gateway/jobs/retention.py).
"""

from gateway.flows.context import Context
from gateway.storage import days


async def prepare_days(context: Context) -> None:
    """Make the partitions without which nothing can be answered."""
    async with context.database.read() as connection:
        for table in days.CORE:
            await days.make(connection, table)
