"""May this be asked, may this go out: the law's table as dated facts; pure."""
