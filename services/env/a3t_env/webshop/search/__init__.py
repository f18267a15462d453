"""Full-text search as the original's Lucene index does it: analysis, inverted index on disk, BM25."""
