enum HTTPLitePlaceholder {}
