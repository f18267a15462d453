"""WebShop: catalogue, search, pages, reward, shopper."""
