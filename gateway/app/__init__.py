"""The composition root: the parent, its workers, and what each role is put together from."""
