"""May this be asked, may this go out: the law as data and the decision, all pure."""
