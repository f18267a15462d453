"""Full-text search with the same results as the original's Lucene index: analysis, inverted index on disk, BM25."""
