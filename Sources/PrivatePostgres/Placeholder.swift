enum PrivatePostgresPlaceholder {}
